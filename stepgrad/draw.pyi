from engine.draw import *
