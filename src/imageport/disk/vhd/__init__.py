"""VHD, the format of Virtual PC, Hyper-V generation 1, Azure and XenServer."""
