"""Amazon EBS snapshots through the EBS direct APIs: a disk is read and written block by block."""
