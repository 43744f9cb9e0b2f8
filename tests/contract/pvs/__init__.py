"""Stores of Citrix Provisioning, as folders here and on a real Samba."""
