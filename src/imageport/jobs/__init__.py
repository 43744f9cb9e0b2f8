"""One file per job, written once against Platform and Engine."""
