"""What all tests share."""

import signal

# A job in the background inherits an ignored Ctrl-C and hands it on; tests that send one need it to be heard.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
