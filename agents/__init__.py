"""The policies that compete, behind one protocol and one registry."""
