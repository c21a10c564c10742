using System.Buffers.Binary;

namespace TestSupport.Wire;

/// <summary>Frames that are nearly right, and some that are not at all.</summary>
public static class FuzzFrames
{
    /// <summary>What clients send.</summary>
    public static readonly (ushort Class, ushort Method)[] OfClients =
    [
        (10, 11), (10, 31), (10, 40), (10, 51), (10, 70), (20, 10), (20, 20), (20, 41), (40, 10), (40, 20), (40, 30),
        (40, 40), (50, 10), (50, 20), (50, 30),
        (50, 40), (50, 50), (60, 10), (60, 20), (60, 30), (60, 40), (60, 70), (60, 80), (60, 90), (60, 100), (60, 110),
        (60, 120), (85, 10), (90, 10), (90, 20),
    ];

    /// <summary>What brokers send.</summary>
    public static readonly (ushort Class, ushort Method)[] OfBrokers =
    [
        (10, 10), (10, 30), (10, 41), (10, 50), (10, 51), (10, 60), (10, 61), (20, 11), (20, 20), (20, 40), (20, 41),
        (40, 11), (50, 11), (50, 21), (60, 11),
        (60, 21), (60, 30), (60, 31), (60, 50), (60, 60), (60, 71), (60, 72), (60, 80), (60, 120), (85, 11),
    ];

    public static byte[] Next(Random random, (ushort Class, ushort Method)[] methods)
    {
        byte[] frame = random.Next(10) switch
        {
            0 => Noise(random, random.Next(1, 80)),
            1 => RawClient.Frame((byte)random.Next(0, 12), (ushort)random.Next(0, 4), Noise(random, random.Next(60))),
            2 => RawClient.Header(1, (ulong)random.NextInt64(0, random.Next(3) == 0 ? long.MaxValue : 500), [
                .. Noise(random, 2), .. Noise(random, random.Next(40))]),
            3 => RawClient.Frame(3, 1, Noise(random, random.Next(300))),
            4 or 5 => RawClient.Publish(
                (ushort)random.Next(1, 3), Name(random), Name(random), Noise(random, random.Next(200))),
            6 => Method(random, methods, Declare(random)),
            _ => Method(random, methods, [.. Noise(random, random.Next(4)), .. RawClient.ShortText(Name(random)),
                .. RawClient.ShortText(Name(random)), .. Noise(random, random.Next(24))]),
        };
        // Half of them get a few octets changed somewhere.
        for (int changes = random.Next(2) == 0 ? random.Next(1, 4) : 0; changes > 0; changes--)
            frame[random.Next(frame.Length)] = (byte)random.Next(256);
        return frame;
    }

    private static byte[] Method(Random random, (ushort Class, ushort Method)[] methods, byte[] fields)
    {
        (ushort classId, ushort methodId) = methods[random.Next(methods.Length)];
        return RawClient.Method((ushort)random.Next(0, 3), classId, methodId, fields);
    }

    private static byte[] Declare(Random random)
    {
        byte[] table = [.. RawClient.ShortText("x-max-length"), (byte)"SIlstFAxVDdT"[random.Next(12)], .. Noise(
            random, random.Next(16))];
        byte[] size = new byte[4];
        BinaryPrimitives.WriteInt32BigEndian(size, table.Length);
        return [0, 0, .. RawClient.ShortText(Name(random)), (byte)random.Next(32), .. size, .. table];
    }

    private static string Name(Random random) => random.Next(5) switch
    {
        0 => "",
        1 => "amq.topic",
        2 => "amq.rabbitmq.reply-to",
        _ => $"f{random.Next(20)}",
    };

    private static byte[] Noise(Random random, int count)
    {
        byte[] noise = new byte[count];
        random.NextBytes(noise);
        return noise;
    }
}
