"""What a bank has: offers, channels, accounts, rules, and the economics of it all."""
