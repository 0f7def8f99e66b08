"""The service's settings with one more address: the bare view that accepts are compared with."""

from axconnect.settings import *  # noqa: F403  (that is the point)

ROOT_URLCONF = "axconnect.bench.urls"
