enum { FLAG_BIND = 4096, FLAG_RECURSIVE = 16384, FLAG_PRIVATE = 1 << 18 }; /* linux/mount.h: MS_* */

/* mkdir, write and mount as the stage needs them; false, with the reason printed, when one fails. */
static int done(const char *what, long result)
{
	if (result >= 0)
		return 1;
	printf("%s: %s\n", what, strerror((int)-result));
	return 0;
}

static void write_once(const char *path, const char *content)
{
	long fd = SYSCALL(openat, AT_FDCWD, path, O_WRONLY, 0, 0, 0);

	if (fd >= 0) {
		SYSCALL(write, fd, content, strlen(content), 0, 0, 0);
		SYSCALL(close, fd, 0, 0, 0, 0, 0);
	}
}

/*
 * The step writes below /etc: it gets mounts of its own and an empty tmpfs as its root, so that nothing of
 * this system is touched. Who is not root becomes it in a user namespace.
 */
static int enter_stage(void)
{
	char map[40];
	unsigned int user = geteuid(), group = getegid();

	if (!done("unshare", SYSCALL(unshare, CLONE_NEWNS | (user ? CLONE_NEWUSER : 0), 0, 0, 0, 0, 0)))
		return 0;
	if (user) {
		write_once("/proc/self/setgroups", "deny");
		snprintf(map, sizeof(map), "0 %u 1", user);
		write_once("/proc/self/uid_map", map);
		snprintf(map, sizeof(map), "0 %u 1", group);
		write_once("/proc/self/gid_map", map);
	}
	SYSCALL(mount, NULL, "/", NULL, FLAG_RECURSIVE | FLAG_PRIVATE, NULL, 0);
	SYSCALL(mkdirat, AT_FDCWD, "/tmp", 0755, 0, 0, 0);
	return done("mount tmpfs", SYSCALL(mount, "tmpfs", "/tmp", "tmpfs", 0, "mode=0755", 0)) &&
	       done("mkdir proc", SYSCALL(mkdirat, AT_FDCWD, "/tmp/proc", 0755, 0, 0, 0)) &&
	       done("bind proc", SYSCALL(mount, "/proc", "/tmp/proc", NULL, FLAG_BIND | FLAG_RECURSIVE, NULL, 0)) &&
	       done("chroot", SYSCALL(chroot, "/tmp", 0, 0, 0, 0, 0)) &&
	       done("chdir", SYSCALL(chdir, "/", 0, 0, 0, 0, 0));
}

/* Exit status of the child: 0 ok, 1 not ok, 3 not known. */
static int run_step(void)
{
	struct outcome outcome;
	TEXT(error, 24);

	memset(&outcome, 0, sizeof(outcome));
	alarm(STEP_SECONDS);
	if (!enter_stage())
		return 3;
	step(&outcome);
	printf("expected: ok\n");
	if (outcome.state == OK) {
		printf("seen: ok\n");
		return 0;
	}
	if (outcome.state == SKIPPED) {
		printf("seen: nothing, %s\n", outcome.note);
		return 3;
	}
	if (outcome.error)
		text_add_errno(&error, outcome.error);
	printf("seen: not ok, %s: %s\n", outcome.call, outcome.error ? error.data : outcome.note);
	return 1;
}

int main(void)
{
	struct utsname names;
	int status = 0, first = getpid() == 1;
	pid_t child;

	setvbuf(stdout, NULL, _IOLBF, 0);
	if (first) {
		/* Started as a guest's init: nobody else has made /proc, and nobody will end the machine. */
		SYSCALL(mkdirat, AT_FDCWD, "/proc", 0755, 0, 0, 0);
		SYSCALL(mount, "proc", "/proc", "proc", 0, NULL, 0);
	}
	uname(&names);
	printf("%s on %s %s %s, pages of %ld bytes\n", STEP_NAME, names.sysname, names.release, names.machine,
	       sysconf(_SC_PAGESIZE));
	fflush(stdout);
	child = fork();
	if (child == 0) {
		status = run_step();
		fflush(stdout);
		_exit(status);
	}
	if (child < 0 || waitpid(child, &status, 0) < 0) {
		perror("fork");
		status = 3;
	} else if (WIFSIGNALED(status)) {
		printf("seen: not ok, ended by signal %d\n", WTERMSIG(status));
		status = 1;
	} else {
		status = WEXITSTATUS(status);
	}
	if (first) {
		fflush(stdout);
		reboot(RB_POWER_OFF);
	}
	return status;
}
