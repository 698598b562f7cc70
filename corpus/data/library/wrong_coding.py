# coding: no-such-code
name = 1
