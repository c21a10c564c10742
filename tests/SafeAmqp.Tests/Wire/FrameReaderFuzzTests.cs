using RabbitMQ.Client;
using SafeAmqp.Broker;
using SafeAmqp.Transport;
using SafeAmqp.Wire;
using static TestSupport.Wire.Frames;

namespace SafeAmqp.Tests.Wire;

public sealed class FrameReaderFuzzTests
{
    private static readonly byte[][] Seeds =
    [
        Start(), Deliver(), FullHeader(10), HeaderWithTable(Nested(20, arrays: false)),
        HeaderWithTable(Nested(64, arrays: true)),
        Body(30), Heartbeat(), Conversation(), Method(20, 40, Short(404), Str("NOT_FOUND"), Short(60), Short(40)),
    ];

    [Fact]
    public void Two_hundred_thousand_mutated_streams_bring_a_verdict_and_nothing_else()
    {
        var random = new Random(20_260_101);
        int refused = 0;
        const int rounds = 200_000;
        for (int i = 0; i < rounds; i++)
        {
            byte[] bytes = Mutate(random, Seeds[random.Next(Seeds.Length)]);
            var guard = Reading.Reader(4096, 1000);
            try
            {
                for (int at = 0; at < bytes.Length;)
                {
                    int size = Math.Min(random.Next(1, 64), bytes.Length - at);
                    guard.Check(bytes.AsSpan(at, size));
                    at += size;
                }
            }
            catch (FrameViolationException)
            {
                refused++;
            }
        }

        Assert.InRange(refused, rounds / 10, rounds * 9 / 10);
    }

    [Fact]
    public void The_verdict_does_not_depend_on_the_slices()
    {
        var random = new Random(20_260_102);
        for (int i = 0; i < 20_000; i++)
        {
            byte[] bytes = Mutate(random, Seeds[random.Next(Seeds.Length)]);
            Assert.Equal(Verdict(bytes, bytes.Length), Verdict(bytes, random.Next(1, 40)));
        }
    }

    [Fact]
    public void Whatever_the_guard_accepts_RabbitMQ_Clients_parser_can_read()
    {
        var random = new Random(20_260_103);
        int accepted = 0;
        for (int i = 0; i < 200_000; i++)
        {
            byte[] frame = Mutate(random, random.Next(4) == 0
                ? HeaderWithTable(Nested(random.Next(1, 70), random.Next(2) == 0))
                : FullHeader(10));
            if (frame.Length < 8 + 14 || frame[0] != 2 || Verdict(frame, frame.Length) is not null) continue;

            int payload = (frame[5] << 8) | frame[6];
            // A shorter frame than the bytes given leaves a rest; a longer one has not been judged yet.
            if (frame[3] != 0 || frame[4] != 0 || payload + 8 > frame.Length) continue;

            accepted++;
            _ = new ReadOnlyBasicProperties(frame.AsSpan(7 + 12, payload - 12));
        }

        Assert.InRange(accepted, 10_000, 190_000);
    }

    private static FrameRule? Verdict(byte[] bytes, int size)
    {
        var guard = Reading.Reader(4096, 1000);
        try
        {
            for (int at = 0; at < bytes.Length; at += size)
                guard.Check(bytes.AsSpan(at, Math.Min(size, bytes.Length - at)));
            return null;
        }
        catch (FrameViolationException e)
        {
            return e.Rule;
        }
    }

    private static byte[] Mutate(Random random, byte[] seed)
    {
        byte[] bytes = [.. seed];
        for (int n = random.Next(1, 4); n > 0 && bytes.Length > 0; n--)
        {
            int at = random.Next(bytes.Length);
            switch (random.Next(5))
            {
                case 0: bytes[at] ^= (byte)(1 << random.Next(8)); break;
                case 1: bytes[at] = (byte)random.Next(256); break;
                case 2: bytes[at] = (byte)"SxtBbsuIifldTVDFA"[random.Next(17)]; break;
                case 3: bytes = [.. bytes[..at], .. bytes[Math.Min(bytes.Length, at + random.Next(1, 5))..]]; break;
                default: bytes[at] = random.Next(2) == 0 ? (byte)0 : (byte)0xFF; break;
            }
        }

        return bytes;
    }
}
