"""Who somebody is: a crop of a face becomes a few numbers that are alike for pictures of one person."""
