#include "greet.h"

int main() { return Greet().rfind("good day from ", 0) == 0 ? 0 : 1; }
