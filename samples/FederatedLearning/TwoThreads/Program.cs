using LocalBroker;
using TwoThreads;

// Shows what two threads on one channel of RabbitMQ.Client do to each other, beside the same load on one SafeAmqp
// client. Exits 0 only when the former failed in every way shown and the latter in none: what is claimed here is
// measured each time.
using var limit = new CancellationTokenSource(TimeSpan.FromMinutes(2));
try
{
    await using var broker = await RabbitMqBroker.FindOrStartAsync(cancellationToken: limit.Token);
    Console.WriteLine(broker.Origin);
    return await Showing.RunAsync(broker.Uri, Console.Out, limit.Token) ? 0 : 1;
}
catch (OperationCanceledException) when (limit.IsCancellationRequested)
{
    Console.WriteLine("FAILED: it took longer than it may.");
    return 1;
}
catch (BrokerUnavailableException error)
{
    Console.WriteLine($"FAILED: {error.Message}");
    return 1;
}
