const char linux_banner[] __attribute__((used, section(".text.banner"))) =
	"Linux version " UTS_RELEASE " (" BUILT ") (gcc, ld) #1 SMP " __FILE__ "\n";
