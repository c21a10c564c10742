using System.Diagnostics;
using System.Net.Sockets;
using System.Text;

namespace SafeAmqp.Testing.Tests.Throughput;

/// <summary>
/// Confirmed publishes of 256 octets from a bare socket that sends prepared frames: what the broker itself can take,
/// without a client library in the way. Beside RabbitMQ in the same run; only the ratio means something.
/// </summary>
public sealed class ConfirmedPublishes(BrokerPairs brokers)
{
    private const int Batch = 200;
    private const int Window = 2_000;

    [Fact]
    public async Task Are_taken_faster_than_by_RabbitMQ()
    {
        int count = int.TryParse(Environment.GetEnvironmentVariable("SAFEAMQP_THROUGHPUT_MESSAGES"), out int given)
            ? given
            : 100_000;
        await using AmqpTestBroker broker = await AmqpTestBroker.StartAsync(
            cancellationToken: TestContext.Current.CancellationToken);
        // Once to warm up, then the best of three each: others use this machine as well.
        await RateAsync(broker.Uri, count / 5);
        double embedded = 0, rabbit = 0;
        for (int i = 0; i < 3; i++)
        {
            embedded = Math.Max(embedded, await RateAsync(broker.Uri, count));
            rabbit = Math.Max(rabbit, await RateAsync(brokers.Newest.RabbitMq, count));
        }
        TestContext.Current.TestOutputHelper?.WriteLine($"embedded {embedded:N0}/s, RabbitMQ {rabbit:N0}/s, "
            + $"ratio {embedded / rabbit:0.00}");
        Assert.True(embedded > rabbit, $"embedded {embedded:N0}/s, RabbitMQ {rabbit:N0}/s");
    }

    private static async Task<double> RateAsync(Uri uri, int count)
    {
        using RawClient client = await RawClient.OpenAsync(uri);
        await client.CallAsync(1, 85, 10, [0]);
        byte[] batch = [.. Enumerable.Repeat(RawClient.Publish(
            1, "amq.direct", "nowhere", Encoding.ASCII.GetBytes(new string('x', 256))), Batch).SelectMany(m => m)];
        long start = Stopwatch.GetTimestamp();
        ulong sent = 0, confirmed = 0;
        while (confirmed < (ulong)count)
        {
            while (sent < (ulong)count && sent - confirmed < Window)
            {
                await client.SendAsync(batch);
                sent += Batch;
            }
            confirmed = await client.ConfirmedAsync();
        }
        return count / Stopwatch.GetElapsedTime(start).TotalSeconds;
    }
}
