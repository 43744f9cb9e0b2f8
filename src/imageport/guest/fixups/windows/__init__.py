"""Fix-ups of Windows guests; importing a module registers its fix-up."""

from imageport.guest.fixups.windows import access_alignment as access_alignment
from imageport.guest.fixups.windows import boot_options as boot_options
from imageport.guest.fixups.windows import boot_storage as boot_storage
from imageport.guest.fixups.windows import class_filters as class_filters
from imageport.guest.fixups.windows import clock as clock
from imageport.guest.fixups.windows import crash_control as crash_control
from imageport.guest.fixups.windows import disk_policy as disk_policy
from imageport.guest.fixups.windows import driver_lock as driver_lock
from imageport.guest.fixups.windows import fallback_loader as fallback_loader
from imageport.guest.fixups.windows import first_boot as first_boot
from imageport.guest.fixups.windows import google_metadata as google_metadata
from imageport.guest.fixups.windows import guest_tools as guest_tools
from imageport.guest.fixups.windows import logon_screen as logon_screen
from imageport.guest.fixups.windows import network as network
from imageport.guest.fixups.windows import network_drivers as network_drivers
from imageport.guest.fixups.windows import network_services as network_services
from imageport.guest.fixups.windows import page_file as page_file
from imageport.guest.fixups.windows import platform_tools as platform_tools
from imageport.guest.fixups.windows import power as power
from imageport.guest.fixups.windows import preflight as preflight
from imageport.guest.fixups.windows import proxy as proxy
from imageport.guest.fixups.windows import remote_desktop as remote_desktop
from imageport.guest.fixups.windows import remote_management as remote_management
from imageport.guest.fixups.windows import routes as routes
from imageport.guest.fixups.windows import time_service as time_service
from imageport.guest.fixups.windows import xen_unplug as xen_unplug
