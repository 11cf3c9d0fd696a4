"""Is an image sound, complete, and the build one thinks it is?"""
