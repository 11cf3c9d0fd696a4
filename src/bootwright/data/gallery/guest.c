/*
 * The init of the gallery's guests: carries out /script line by line, each a verb and its arguments.
 * What fails is reported in the form of the tool a real system would have used, and the script goes on.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <linux/loop.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/swap.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <net/if.h>
#include <netinet/in.h>
#include <unistd.h>

#ifndef FSCONFIG_CMD_CREATE
#define FSCONFIG_CMD_CREATE 6
#endif

static void failed(const char *tool, const char *what)
{
	printf("%s: %s: %s\n", tool, what, strerror(errno));
}

static void load(char *path, const char *parameters)
{
	int file = open(path, O_RDONLY | O_CLOEXEC);

	if (file < 0 || syscall(SYS_finit_module, file, parameters ? parameters : "", 0))
		printf("insmod: ERROR: could not insert module %s: %s\n", path, strerror(errno));
	if (file >= 0)
		close(file);
}

static void load_all(const char *list)
{
	char path[256];
	FILE *file = fopen(list, "r");

	while (file && fgets(path, sizeof(path), file)) {
		path[strcspn(path, "\n")] = 0;
		load(path, NULL);
	}
	if (file)
		fclose(file);
}

static void attach(const char *device, const char *image)
{
	int loop = open(device, O_RDWR), file = open(image, O_RDWR);

	if (loop < 0 || file < 0 || ioctl(loop, LOOP_SET_FD, file))
		failed("losetup", image);
}

static void put(const char *path, const char *text)
{
	int file = open(path, O_WRONLY | O_CREAT, 0644);

	if (file < 0 || write(file, text, strlen(text)) < 0)
		failed("write", path);
	if (file >= 0)
		close(file);
}

static void eat(void)
{
	size_t total = 0;

	for (;;) {
		char *piece = malloc(1 << 20);

		if (!piece)
			break;
		memset(piece, 1, 1 << 20);
		total += 1 << 20;
	}
	printf("malloc failed after %zu bytes\n", total);
}

/* Writing to a frozen file system sleeps uninterruptibly until somebody thaws it. */
static void hang(const char *folder)
{
	char path[256];
	int place = open(folder, O_RDONLY);

	if (place < 0 || ioctl(place, FIFREEZE, 0))
		failed("fsfreeze", folder);
	snprintf(path, sizeof(path), "%s/stuck", folder);
	if (fork() == 0) {
		put(path, "x");
		_exit(0);
	}
}

/* DHCPDISCOVER (RFC 2131) every two seconds; BusyBox udhcpc's words when nobody answers. */
static void ask_dhcp(const char *name, int tries)
{
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons(67), .sin_addr.s_addr = INADDR_BROADCAST };
	struct sockaddr_in from = { .sin_family = AF_INET, .sin_port = htons(68) };
	struct timeval patience = { .tv_sec = 2 };
	unsigned char packet[300] = { 1, 1, 6, 0, 0x12, 0x34, 0x56, 0x78, [10] = 0x80,
				      [236] = 99, 130, 83, 99, 53, 1, 1, 255 };
	struct ifreq request = { 0 };
	int yes = 1, net = socket(AF_INET, SOCK_DGRAM, 0);

	snprintf(request.ifr_name, IFNAMSIZ, "%s", name);
	if (ioctl(net, SIOCGIFHWADDR, &request)) {
		printf("udhcpc: SIOCGIFINDEX: %s\n", strerror(errno));
		return;
	}
	memcpy(packet + 28, request.ifr_hwaddr.sa_data, 6);
	ioctl(net, SIOCGIFFLAGS, &request);
	request.ifr_flags |= IFF_UP;
	ioctl(net, SIOCSIFFLAGS, &request);
	setsockopt(net, SOL_SOCKET, SO_BROADCAST, &yes, sizeof(yes));
	setsockopt(net, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	setsockopt(net, SOL_SOCKET, SO_BINDTODEVICE, name, strlen(name) + 1);
	if (bind(net, (struct sockaddr *)&from, sizeof(from)))
		failed("udhcpc", "bind");
	printf("udhcpc: started, v1.36.1\n");
	while (tries-- > 0) {
		unsigned char answer[1500];

		printf("udhcpc: broadcasting discover\n");
		sendto(net, packet, sizeof(packet), 0, (struct sockaddr *)&to, sizeof(to));
		if (recv(net, answer, sizeof(answer), 0) > 240 && answer[0] == 2) {
			printf("udhcpc: lease of %u.%u.%u.%u obtained from server, lease time 86400\n",
			       answer[16], answer[17], answer[18], answer[19]);
			return;
		}
	}
	printf("udhcpc: no lease, failing\n");
}

/* The calls of Talos 1.12 for /etc/hosts, and the line it logs when they fail. */
static void shadow(const char *name)
{
	int context = syscall(SYS_fsopen, "tmpfs", 1);
	int made, tree, file;

	syscall(SYS_fsconfig, context, FSCONFIG_CMD_CREATE, NULL, NULL, 0);
	made = syscall(SYS_fsmount, context, 1, 0);
	file = openat(made, name, O_CREAT | O_RDWR, 0644);
	tree = syscall(SYS_open_tree, file, "", 1 | O_CLOEXEC | 0x1000);
	if (tree < 0) {
		const char *why = errno == EINVAL ? "invalid argument" : strerror(errno);

		printf("[talos] controller failed {\"component\": \"controller-runtime\", "
		       "\"controller\": \"files.EtcFileController\", \"error\": \"failed to create shadow bind "
		       "mount \\\"%s\\\" -> \\\"/etc/%s\\\" (mode: fd): failed to opentree: %s\"}\n", name, name, why);
	} else {
		printf("[talos] created /etc/%s\n", name);
	}
}


/* Reads a physical address that no device answers at. */
static void peek(const char *address)
{
	int memory = open("/dev/mem", O_RDONLY | O_SYNC);
	volatile unsigned *word = mmap(NULL, 4096, PROT_READ, MAP_SHARED, memory, strtoull(address, NULL, 0));

	if (memory < 0 || word == MAP_FAILED)
		failed("devmem", address);
	else
		printf("%s: %#x\n", address, *word);
}

static void copy_to_nowhere(const char *path)
{
	char piece[4096];
	int file = open(path, O_RDONLY);

	if (file < 0 || read(file, piece, sizeof(piece)) < 0)
		failed("dd", path);
	if (file >= 0)
		close(file);
}

static void stop_feeding(const char *path)
{
	int dog = open(path, O_WRONLY);

	if (dog < 0 || write(dog, "x", 1) != 1)
		failed("watchdog", path);
	close(dog);
}

static void carry_out(char *line)
{
	char *word[6] = { 0 };
	char *verb = strtok(line, " ");
	int count = 0;

	if (!verb || *verb == '#')
		return;
	if (!strcmp(verb, "say")) {
		char *text = strtok(NULL, "");

		printf("%s\n", text ? text : "");
		return;
	}
	if (!strcmp(verb, "write")) {
		char *path = strtok(NULL, " ");
		char *text = strtok(NULL, "");

		if (path)
			put(path, text ? text : "");
		return;
	}
	while (count < 6 && (word[count] = strtok(NULL, " ")))
		count++;
	if (!strcmp(verb, "folder"))
		mkdir(word[0], 0755);
	else if (!strcmp(verb, "mount")) {
		if (mount(word[1], word[2], word[0], 0, word[3]))
			printf("mount: mounting %s on %s failed: %s\n", word[1], word[2], strerror(errno));
	} else if (!strcmp(verb, "load"))
		load(word[0], word[1]);
	else if (!strcmp(verb, "load-all"))
		load_all(word[0]);
	else if (!strcmp(verb, "attach"))
		attach(word[0], word[1]);
	else if (!strcmp(verb, "swapon")) {
		if (swapon(word[0], 0))
			printf("swapon: %s: swapon failed: %s\n", word[0], strerror(errno));
	} else if (!strcmp(verb, "eat"))
		eat();
	else if (!strcmp(verb, "hang"))
		hang(word[0]);
	else if (!strcmp(verb, "dhcp"))
		ask_dhcp(word[0], atoi(word[1]));
	else if (!strcmp(verb, "shadow"))
		shadow(word[0]);
	else if (!strcmp(verb, "watchdog"))
		stop_feeding(word[0]);
	else if (!strcmp(verb, "peek"))
		peek(word[0]);
	else if (!strcmp(verb, "read"))
		copy_to_nowhere(word[0]);
	else if (!strcmp(verb, "sleep"))
		sleep(atoi(word[0]));
	else if (!strcmp(verb, "crash"))
		*(volatile int *)0 = 1;
	else if (!strcmp(verb, "undefined"))
		__builtin_trap();
	else if (!strcmp(verb, "exit"))
		_exit(atoi(word[0]));
	else if (!strcmp(verb, "run")) {
		int child = fork();

		if (child == 0) {
			execv(word[0], word);
			failed("sh", word[0]);
			_exit(126);
		}
		waitpid(child, NULL, 0);
	} else if (!strcmp(verb, "power-off"))
		reboot(RB_POWER_OFF);
	else if (!strcmp(verb, "restart"))
		reboot(RB_AUTOBOOT);
	else
		printf("no such verb: %s\n", verb);
}

int main(void)
{
	char line[1024];
	FILE *script = fopen("/script", "r");

	setvbuf(stdout, NULL, _IONBF, 0);
	while (script && fgets(line, sizeof(line), script)) {
		line[strcspn(line, "\n")] = 0;
		carry_out(line);
	}
	for (;;)
		pause();
}
