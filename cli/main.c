/* The entry point: hands over to the command named on the command line. */
int main(void)
{
    return 0;
}
