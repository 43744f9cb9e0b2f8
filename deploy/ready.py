"""Whether the replica in this container is ready: its certificate need not have this name."""

import ssl
import urllib.request

context = ssl.create_default_context()
context.check_hostname = False
context.verify_mode = ssl.CERT_NONE
urllib.request.urlopen("https://127.0.0.1:8480/readyz", context=context, timeout=5)
