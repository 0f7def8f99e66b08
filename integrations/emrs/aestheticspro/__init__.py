"""AestheticsPro: webhooks in, one way."""
