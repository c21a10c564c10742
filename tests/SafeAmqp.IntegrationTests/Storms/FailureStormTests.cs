using System.Collections.Concurrent;
using System.Globalization;
using System.Text;

namespace SafeAmqp.IntegrationTests.Storms;

// The default failure policy under handlers that fail at random, links that are lost and brokers that crash.
public sealed class FailureStormTests(TestBroker broker) : FaultTest(broker)
{
    private const int Messages = 300, Keys = 10, Attempts = 4, Prefetch = 100;

    [Theory]
    [InlineData("classic", 1, false, false)]
    [InlineData("classic", 16, false, true)]
    [InlineData("classic", 16, true, false)]
    [InlineData("quorum", 1, false, false)]
    [InlineData("quorum", 16, true, true)]
    [InlineData("single active", 16, false, false)]
    [InlineData("single active", 1, true, false)]
    public async Task Handlers_that_fail_lose_nothing_are_bounded_and_keep_the_order_of_keys(
        string kind, int concurrency, bool keyed, bool crashes)
    {
        int seed = Environment.TickCount, losses = crashes ? 1 : 0;
        TimeSpan before = Environment.CpuUsage.TotalTime;
        FaultProxy proxy = NewProxy();
        // A node that starts refuses for a while
        static void Soon(AmqpClientOptions options) => (options.MaxReconnectDelay, options.RefusedReconnectDelay) =
            (TimeSpan.FromMilliseconds(200), TimeSpan.FromSeconds(1));
        AmqpClient publisher = await ConnectAsync(Soon);
        AmqpClient amqp = await ConnectAsync(options =>
        {
            options.Uri = proxy.Uri;
            Soon(options);
        });
        string queue = NewName(), dead = Named($"{queue}.dead");
        foreach (int delay in (int[])[10, 30, 50])
            Named(string.Create(CultureInfo.InvariantCulture, $"{queue}.retry.{delay}"));
        await amqp.DeclareAsync(new AmqpTopology().With(new AmqpQueue
        {
            Name = queue,
            Type = kind == "quorum" ? AmqpQueueType.Quorum : AmqpQueueType.Classic,
            SingleActiveConsumer = kind == "single active",
        }), Cancelled);
        var runs = new ConcurrentDictionary<AmqpDelivery, int>();
        var died = new ConcurrentDictionary<int, bool>();
        var done = new ConcurrentQueue<AmqpDelivery>();
        var random = new Random(seed);
        bool Fails()
        {
            lock (random)
                return random.Next(5) < 2;
        }
        AmqpHandler handler = async (delivery, lost) =>
        {
            runs.AddOrUpdate(delivery, 1, (_, times) => times + 1);
            await Task.Yield();
            if (NumberOf(delivery) % 50 == 7 || Fails()) // some never succeed
                throw new InvalidOperationException("at random");
            if (!lost.IsCancellationRequested)
                done.Enqueue(delivery);
            return AmqpSettlement.Ack;
        };
        int consumers = kind == "single active" ? 2 : 1;
        for (int consumer = 0; consumer < consumers; consumer++)
            await amqp.ConsumeAsync(queue, handler, new AmqpConsumerOptions
            {
                Prefetch = Prefetch,
                Concurrency = concurrency,
                KeySelector = keyed ? KeyOf : null,
                OnFailure = AmqpFailurePolicy.Hold(TimeSpan.FromMilliseconds(10), TimeSpan.FromMilliseconds(30),
                    TimeSpan.FromMilliseconds(50)),
            }, Cancelled);
        await publisher.ConsumeAsync(await DeclaredAsync(publisher, dead), (delivery, _) =>
        {
            died.TryAdd(NumberOf(delivery), true);
            return new(AmqpSettlement.Ack);
        }, cancellationToken: Cancelled);
        foreach (int[] numbers in Enumerable.Range(0, Messages).Chunk(60))
        {
            foreach (AmqpPublishResult result in await publisher.PublishAllAsync([.. numbers.Select(number
                => AmqpMessage.ToQueue(queue, Encoding.ASCII.GetBytes($"{number}")))], Cancelled))
                result.ThrowIfNotConfirmed();
            proxy.Reset();
            losses++;
        }
        if (crashes)
        {
            await Broker.Node.SaveQueuesAsync(Cancelled);
            await Broker.Node.KillAsync(Cancelled);
            await Broker.Node.StartAgainAsync(Cancelled);
        }

        // After a crash brokers take their time: what counts is that it goes on
        for (int settled = -1; settled < Messages;)
        {
            int last = settled;
            await UntilAsync(() => (settled = died.Keys.Union(done.Select(NumberOf)).Count()) > last,
                $"more than {last} of {Messages} done or dead, seed {seed}");
        }
        TimeSpan used = Environment.CpuUsage.TotalTime - before;
        TestContext.Current.TestOutputHelper?.WriteLine(string.Create(CultureInfo.InvariantCulture,
            $"{runs.Count} deliveries, {runs.Values.Sum()} attempts, {used.TotalSeconds:0.0} s of processor time"));

        Assert.InRange(runs.Count, Messages, Messages + (losses * consumers * Prefetch)); // what a link had comes again
        Assert.All(runs, run => Assert.InRange(run.Value, 1, Attempts)); // each time the broker delivered it
        Assert.InRange(used, TimeSpan.Zero, TimeSpan.FromSeconds(30)); // one core that spins uses as much in that time
        Assert.All(Enumerable.Range(0, Messages).Where(number => number % 50 == 7),
            number => Assert.True(died.ContainsKey(number)));
        if (keyed) // as each channel brought them
            Assert.All(done.GroupBy(delivery => (KeyOf(delivery), delivery.Lost)),
                key => Assert.Equal(key.OrderBy(delivery => delivery.DeliveryTag), key));
        if (keyed && kind != "quorum") // which returns what a lost channel had in any order
            Assert.All(done.Select(NumberOf).Distinct().GroupBy(number => number % Keys),
                key => Assert.Equal(key.Order(), key));
        await UntilAsync(async () => await MessagesInAsync(queue), left => left == 0, "nothing left");
    }

    private static async Task<string> DeclaredAsync(AmqpClient client, string queue)
    {
        await client.DeclareAsync(new AmqpTopology().Queue(queue), Cancelled);
        return queue;
    }

    private static int NumberOf(AmqpDelivery delivery)
        => int.Parse(delivery.Body.Span, CultureInfo.InvariantCulture);

    private static string KeyOf(AmqpDelivery delivery)
        => (NumberOf(delivery) % Keys).ToString(CultureInfo.InvariantCulture);
}
