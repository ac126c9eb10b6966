"""Who the cardholders are: survey marginals become traits through a copula and raking; identities come beside them."""
