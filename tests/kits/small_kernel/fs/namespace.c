int may_clone(int attached)
{
	if (!attached)
		return -22;
	return 0;
}

int may_move(int detached)
{
	if (detached)
		return -22;
	return 0;
}
