"""Files of web servers, read by ranges.

Source: RFC 9110, "HTTP Semantics"; its sections are named where they are used.
"""
