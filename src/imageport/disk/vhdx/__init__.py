"""VHDX, the format of Hyper-V and Citrix Provisioning."""
