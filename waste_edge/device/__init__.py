"""The station at a bin: the loop that sees, decides and tells, and all that keeps it up.

See
  cameras/       one interface over Pi cameras, USB cameras, videos, streams, pictures and a synthetic one
  capture/       reads a camera in a process of its own, restarted when it hangs; the newest frame wins
  vision/camera_health.py, vision/camera_faults.py   can the picture be trusted?
  vision/scene.py, vision/presence.py                is something there? empty, arriving, settled, decided, cleared
  vision/inspection.py                               what the network is shown of an item, and how often
Decide
  decision/item_tracker.py       from frames to items, each decided once
  decision/policy.py, decision/routing.py   decide an item's stream: the one of least expected cost
  decision/site_check.py  what a site means, and where it contradicts itself
Tell
  outbox/        writes an event to the disk before anyone is told; clock.py says when it was
  sinks/         whom to tell, one file each
  views/display.py, views/panel.py   what people and programs read
Keep and tell later
  collect/       crops to train on, if switched on
  reporting/     counts, downtime and contamination, from what was kept
Stay up
  loop.py        puts them together and tells the listeners; signals.py ends it, statistics.py counts
  config.py, station.py, system/housekeeping.py   station.toml, and what runs beside the loop
  system/health.py, system/condition.py, camera_condition.py   how each part fares
  system/board.py, system/shedding.py, system/disk.py, system/command.py   heat, power, disk, and what follows
  service/unit.py, service/status.py, service/steps.py, service/notify.py   the same under systemd
  service/environments.py, service/update.py   where its environments lie, and how a newer version takes over
  doctor/        is this board fit to be a station?
"""
