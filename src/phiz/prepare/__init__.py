"""Raw footage to data sets, and whether a data set is fit to train on."""
