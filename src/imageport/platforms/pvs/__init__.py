"""Stores of Citrix Provisioning: folders of vDisks, here or on a share."""
