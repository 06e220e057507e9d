"""The loop at a bin: see, decide, tell, stay up.

See
  cameras/       one interface over Pi cameras, USB cameras, videos, streams, pictures and a synthetic one
  capture/       reads a camera apart from inference, in a process of its own; the newest frame wins
  camera_health.py, camera_faults.py   can the picture be trusted?
  scene.py, presence.py                is something there? empty, arriving, settled, decided, cleared
Decide
  items.py       from frames to items, each decided once
  judge.py, routing.py   from what was predicted of an item to the stream of least expected cost
  site_check.py  what a site means, and where it contradicts itself
Tell
  outbox*.py, record.py, wall.py, keeper.py   on the disk before anyone is told
  sinks/         whom to tell, one file each
  display.py, panel.py   what people and programs read
Stay up
  loop.py        puts them together and tells the listeners; signals.py ends it, statistics.py counts
  config.py, station.py, housekeeping.py   station.toml, and what runs beside the loop
  health.py, condition.py, camera_condition.py   how each part fares
  board.py, shedding.py, disk.py, ask.py   heat, power, disk, and what follows
  service.py, service_status.py, steps.py, notify.py   the same under systemd
  environments.py, update.py   where its environments lie, and how a newer version takes over
  doctor/        is this board fit to be a station?
"""
