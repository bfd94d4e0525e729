// A bcryptprimitives.dll for wine. Go's runtime gets its random numbers from ProcessPrng of
// that library, and wine before version 9 has no such library. .ci/run builds it for its own
// wine prefix only. RtlGenRandom, which advapi32.dll exports as SystemFunction036, is an older
// function with the same purpose.

#include <windows.h>

BOOLEAN NTAPI SystemFunction036(PVOID buffer, ULONG length);

__declspec(dllexport) BOOL WINAPI ProcessPrng(PBYTE buffer, SIZE_T length)
{
    return SystemFunction036(buffer, (ULONG)length);
}
