"""Where a job's output goes, here or on a share: under another name until it is proven."""
