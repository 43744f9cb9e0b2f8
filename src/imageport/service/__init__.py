"""The service: API, wallet, job store. Knows neither disks nor jobs' insides."""
