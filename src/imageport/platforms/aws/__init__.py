"""AWS: what jobs need of it beside the blocks of snapshots, which are `disk.ends.ebs`."""
