from math import pi


async def area(radius):
    def square(number):
        return number * number

    return pi * square(radius)
