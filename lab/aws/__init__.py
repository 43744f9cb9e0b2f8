"""AWS as a server on this computer: moto, made as strict as the real service where we rely on it.

`python -m lab.aws.server --port 5555 --folder DIR` answers EC2 and the EBS direct APIs on one port.
Requests and answers have the shapes of botocore's models, by which moto parses and writes them.
"""
