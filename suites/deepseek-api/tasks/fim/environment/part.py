def area(radius):
    <FILL>
    return result
