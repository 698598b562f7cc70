"""What is in stock."""

import json
import os.path
from collections import Counter


class Inventory:
    def __init__(self, file):
        self.file = file
        self.stock = Counter()
        if os.path.exists(file):
            with open(file) as text:
                self.stock.update(json.load(text))

    def add(self, article, number=1):
        self.stock[article] += number

    def save(self):
        with open(self.file, "w") as text:
            json.dump(self.stock, text)
