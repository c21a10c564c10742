using System.Collections.Concurrent;
using System.Globalization;
using System.Text;

namespace SafeAmqp.IntegrationTests.Storms;

// The default failure policy under handlers that fail at random, links that are lost and brokers that crash.
public sealed class FailureStormTests(TestBroker broker) : FaultTest(broker)
{
    private const int Messages = 300, Keys = 10, Attempts = 4;

    [Theory]
    [InlineData("classic", 1, false, false)]
    [InlineData("classic", 16, false, true)]
    [InlineData("classic", 16, true, false)]
    [InlineData("quorum", 1, false, false)]
    [InlineData("quorum", 16, true, false)]
    [InlineData("single active", 16, false, false)]
    [InlineData("single active", 1, true, false)]
    public async Task Handlers_that_fail_lose_nothing_are_bounded_and_keep_the_order_of_keys(
        string kind, int concurrency, bool keyed, bool crashes)
    {
        int seed = Environment.TickCount;
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
        var done = new ConcurrentQueue<int>();
        var random = new Random(seed);
        bool Fails()
        {
            lock (random)
                return random.Next(5) < 2;
        }
        AmqpHandler handler = async (delivery, lost) =>
        {
            int number = int.Parse(delivery.Body.Span, CultureInfo.InvariantCulture);
            runs.AddOrUpdate(delivery, 1, (_, before) => before + 1);
            await Task.Yield();
            if (number % 50 == 7 || Fails()) // some never succeed
                throw new InvalidOperationException("at random");
            if (!lost.IsCancellationRequested)
                done.Enqueue(number);
            return AmqpSettlement.Ack;
        };
        for (int consumer = 0; consumer < (kind == "single active" ? 2 : 1); consumer++)
            await amqp.ConsumeAsync(queue, handler, new AmqpConsumerOptions
            {
                Concurrency = concurrency,
                KeySelector = keyed ? KeyOf : null,
                OnFailure = AmqpFailurePolicy.Hold(TimeSpan.FromMilliseconds(10), TimeSpan.FromMilliseconds(30),
                    TimeSpan.FromMilliseconds(50)),
            }, Cancelled);
        await publisher.ConsumeAsync(await DeclaredAsync(publisher, dead), (delivery, _) =>
        {
            died.TryAdd(int.Parse(delivery.Body.Span, CultureInfo.InvariantCulture), true);
            return new(AmqpSettlement.Ack);
        }, cancellationToken: Cancelled);
        for (int number = 0; number < Messages; number++)
        {
            await publisher.PublishAsync(AmqpMessage.ToQueue(queue,
                Encoding.ASCII.GetBytes(number.ToString(CultureInfo.InvariantCulture))), Cancelled);
            if (number % 60 == 59)
                proxy.Reset();
        }
        if (crashes)
        {
            await Broker.Node.KillAsync(Cancelled);
            await Broker.Node.StartAgainAsync(Cancelled);
        }

        // After a crash brokers take their time: what counts is that it goes on
        for (int settled = -1; settled < Messages;)
        {
            int before = settled;
            await UntilAsync(() => (settled = died.Keys.Union(done).Count()) > before,
                $"more than {before} of {Messages} done or dead, seed {seed}");
        }

        Assert.All(runs, run => Assert.InRange(run.Value, 1, Attempts)); // each time the broker delivered it
        Assert.All(Enumerable.Range(0, Messages).Where(number => number % 50 == 7),
            number => Assert.True(died.ContainsKey(number)));
        if (keyed && kind != "quorum") // which returns what a lost channel had in any order
            Assert.All(done.Distinct().GroupBy(number => number % Keys), key => Assert.Equal(key.Order(), key));
        await UntilAsync(async () => await MessagesInAsync(queue), left => left == 0, "nothing left");
    }

    private static async Task<string> DeclaredAsync(AmqpClient client, string queue)
    {
        await client.DeclareAsync(new AmqpTopology().Queue(queue), Cancelled);
        return queue;
    }

    private static string KeyOf(AmqpDelivery delivery)
        => (int.Parse(delivery.Body.Span, CultureInfo.InvariantCulture) % Keys).ToString(CultureInfo.InvariantCulture);
}
