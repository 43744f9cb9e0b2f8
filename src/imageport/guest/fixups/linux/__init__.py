"""Fix-ups of Linux guests; importing a module registers its fix-up."""

from imageport.guest.fixups.linux import (
    boot_loader as boot_loader,
)
from imageport.guest.fixups.linux import (
    cloud_init as cloud_init,
)
from imageport.guest.fixups.linux import (
    fallback_loader as fallback_loader,
)
from imageport.guest.fixups.linux import (
    file_systems as file_systems,
)
from imageport.guest.fixups.linux import (
    first_boot as first_boot,
)
from imageport.guest.fixups.linux import (
    guest_tools as guest_tools,
)
from imageport.guest.fixups.linux import (
    identity as identity,
)
from imageport.guest.fixups.linux import (
    initramfs as initramfs,
)
from imageport.guest.fixups.linux import (
    labels as labels,
)
from imageport.guest.fixups.linux import (
    network as network,
)
