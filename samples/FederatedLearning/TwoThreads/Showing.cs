namespace TwoThreads;

/// <summary>Runs every way on both, and prints what each did.</summary>
internal static class Showing
{
    /// <summary>A race may miss once; it is tried as often before it is said not to have shown itself.</summary>
    private const int Attempts = 5;

    /// <summary>Whether the shared channel failed in every way and SafeAmqp in none.</summary>
    public static async Task<bool> RunAsync(Uri broker, TextWriter output, CancellationToken cancellationToken)
    {
        bool asSaid = true;
        foreach (var way in Way.All)
        {
            await output.WriteLineAsync($"\n{way.Title}\n  ({way.Why})");
            var (raw, attempts) = await UntilItFailsAsync(way, broker, cancellationToken);
            await PrintAsync(output, attempts == 1 ? "one channel of RabbitMQ.Client" : "one channel "
                + $"of RabbitMQ.Client, attempt {attempts}", raw);
            var safe = await way.OnSafeAmqp(broker, cancellationToken);
            await PrintAsync(output, "one SafeAmqp client", safe);
            if (raw.Harmed == 0)
                await output.WriteLineAsync(
                    $"  The shared channel did not fail in {Attempts} attempts on this machine.");
            asSaid &= raw.Harmed > 0 && safe.Harmed == 0;
        }

        await output.WriteLineAsync(asSaid
            ? "\nOK: the shared channel failed in every way shown, SafeAmqp in none."
            : "\nFAILED: see above.");
        return asSaid;
    }

    private static async Task<(Tally Tally, int Attempt)> UntilItFailsAsync(
        Way way, Uri broker, CancellationToken cancellationToken)
    {
        for (int attempt = 1; ; attempt++)
        {
            var tally = await way.OnOneChannel(broker, cancellationToken);
            if (tally.Harmed > 0 || attempt == Attempts)
                return (tally, attempt);
        }
    }

    private static async Task PrintAsync(TextWriter output, string title, Tally tally)
    {
        await output.WriteLineAsync($"  {title}:");
        foreach (var (what, count, isHarm) in tally.Rows)
            await output.WriteLineAsync($"    {count,7}  {what}{(isHarm && count > 0 ? "   <-- wrong" : "")}");
    }
}
