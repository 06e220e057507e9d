"""Light a LED for two seconds for each item of a stream: python light_led.py [CAMERA]"""

import sys

from gpiozero import LED

from waste_edge import Station

leds = {"paper": LED(17), "plastic": LED(27), "glass": LED(22)}
station = Station(camera=sys.argv[1] if len(sys.argv) > 1 else "auto", site="six_materials")
for event in station:
    if event.decision.stream in leds:
        leds[event.decision.stream].blink(on_time=2, n=1)
