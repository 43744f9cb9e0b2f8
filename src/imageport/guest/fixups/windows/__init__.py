"""Fix-ups of Windows guests; importing a module registers its fix-up."""

from imageport.guest.fixups.windows import boot_options as boot_options
from imageport.guest.fixups.windows import boot_storage as boot_storage
from imageport.guest.fixups.windows import class_filters as class_filters
from imageport.guest.fixups.windows import fallback_loader as fallback_loader
from imageport.guest.fixups.windows import first_boot as first_boot
from imageport.guest.fixups.windows import guest_tools as guest_tools
from imageport.guest.fixups.windows import network as network
from imageport.guest.fixups.windows import network_drivers as network_drivers
from imageport.guest.fixups.windows import preflight as preflight
from imageport.guest.fixups.windows import remote_desktop as remote_desktop
from imageport.guest.fixups.windows import settings as settings
