"""Setup: from a few answers to a `station.toml` with comments, by questions or by options.

answers.py   what can be answered, how each answer is checked, and what it changes in the file
document.py  changes in a TOML text that leave its comments and its order alone
pictures.py  which cameras there are, a picture of each, and how it is shown in a terminal
questions.py the questions, in their order
write.py     from the text before to the one after: the difference, the files of secrets, and writing all of it
"""
