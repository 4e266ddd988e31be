"""Speech with exact phone timing from local synthesisers, and the mouth that goes with it."""
