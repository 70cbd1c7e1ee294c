trainyard driver --node-name node-0 --http [::]:8080
