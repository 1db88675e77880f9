"""Who may come in and what they may see: accounts, sessions, sign-in, OpenID Connect, the gate before every request."""
