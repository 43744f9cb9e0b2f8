"""Azure page blobs and the signed addresses of managed disks: files that hold a fixed VHD."""
