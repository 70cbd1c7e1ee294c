trainyard probe readyz
