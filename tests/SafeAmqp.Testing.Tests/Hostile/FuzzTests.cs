using System.Buffers.Binary;

namespace SafeAmqp.Testing.Tests.Hostile;

/// <summary>
/// Mutated and random frames, by seed: no hang, no unhandled exception, no memory that a peer controls. How many is set by
/// SAFEAMQP_FUZZ_FRAMES; the seed by SAFEAMQP_FUZZ_SEED.
/// </summary>
public sealed class FuzzTests
{
    private const int FramesPerConnection = 64;

    [Fact]
    public async Task Hostile_frames_harm_nobody_else()
    {
        int frames = Number("SAFEAMQP_FUZZ_FRAMES", 100_000);
        int seed = Number("SAFEAMQP_FUZZ_SEED", 1);
        CancellationToken cancelled = TestContext.Current.CancellationToken;
        await using AmqpTestBroker broker = await AmqpTestBroker.StartAsync(new AmqpTestBrokerOptions { MaxMessageSize = 1 << 20 }, cancelled);
        await using IConnection witness = await new ConnectionFactory { Uri = broker.Uri, AutomaticRecoveryEnabled = false }.CreateConnectionAsync("witness", cancelled);
        await using IChannel channel = await witness.CreateChannelAsync(new CreateChannelOptions(true, true), cancelled);
        await channel.QueueDeclareAsync("witness", false, true, false, cancellationToken: cancelled);

        await Parallel.ForEachAsync(Enumerable.Range(0, frames / FramesPerConnection + 1), new ParallelOptions { MaxDegreeOfParallelism = 8, CancellationToken = cancelled },
            async (i, _) => await AttackAsync(broker.Uri, new Random(seed * 1_000_003 + i)));

        // Waiting fails when the loop has caught an exception that it should not have seen.
        await broker.WaitUntilAsync(view => view.Connections.Count == 1, TimeSpan.FromSeconds(60), cancelled);
        await channel.BasicPublishAsync("", "witness", "alive"u8.ToArray(), cancelled);
        Assert.NotNull(await channel.BasicGetAsync("witness", true, cancelled));
        GC.Collect();
        long held = GC.GetTotalMemory(forceFullCollection: true);
        Assert.True(held < 300_000_000, $"{held:N0} octets are held after {frames:N0} frames with seed {seed}.");
    }

    private static async Task AttackAsync(Uri uri, Random random)
    {
        bool isLoggedIn = random.Next(8) != 0;
        using RawClient client = isLoggedIn ? await RawClient.OpenAsync(uri) : await RawClient.ConnectAsync(uri);
        using var all = new MemoryStream();
        for (int i = 0; i < FramesPerConnection; i++)
            all.Write(FuzzFrames.Next(random));
        try
        {
            await client.SendAsync(all.ToArray());
            client.EndSending();
            await client.UntilClosedAsync().WaitAsync(Stage.Limit);
        }
        catch (System.Net.Sockets.SocketException)
        {
            // Thrown out, as it should be.
        }
    }

    private static int Number(string variable, int otherwise) => int.TryParse(Environment.GetEnvironmentVariable(variable), out int number) ? number : otherwise;
}

/// <summary>Frames that are nearly right, and some that are not at all.</summary>
internal static class FuzzFrames
{
    private static readonly (ushort Class, ushort Method)[] Methods =
    [
        (10, 11), (10, 31), (10, 40), (10, 51), (10, 70), (20, 10), (20, 20), (20, 41), (40, 10), (40, 20), (40, 30), (40, 40), (50, 10), (50, 20), (50, 30),
        (50, 40), (50, 50), (60, 10), (60, 20), (60, 30), (60, 40), (60, 70), (60, 80), (60, 90), (60, 100), (60, 110), (60, 120), (85, 10), (90, 10), (90, 20),
    ];

    public static byte[] Next(Random random)
    {
        byte[] frame = random.Next(10) switch
        {
            0 => Noise(random, random.Next(1, 80)),
            1 => RawClient.Frame((byte)random.Next(0, 12), (ushort)random.Next(0, 4), Noise(random, random.Next(60))),
            2 => RawClient.Header(1, (ulong)random.NextInt64(0, random.Next(3) == 0 ? long.MaxValue : 500), [.. Noise(random, 2), .. Noise(random, random.Next(40))]),
            3 => RawClient.Frame(3, 1, Noise(random, random.Next(300))),
            4 or 5 => RawClient.Publish((ushort)random.Next(1, 3), Name(random), Name(random), Noise(random, random.Next(200))),
            6 => Method(random, Declare(random)),
            _ => Method(random, [.. Noise(random, random.Next(4)), .. RawClient.ShortText(Name(random)), .. RawClient.ShortText(Name(random)), .. Noise(random, random.Next(24))]),
        };
        // Half of them get a few octets changed somewhere.
        for (int changes = random.Next(2) == 0 ? random.Next(1, 4) : 0; changes > 0; changes--)
            frame[random.Next(frame.Length)] = (byte)random.Next(256);
        return frame;
    }

    private static byte[] Method(Random random, byte[] fields)
    {
        (ushort classId, ushort methodId) = Methods[random.Next(Methods.Length)];
        return RawClient.Method((ushort)random.Next(0, 3), classId, methodId, fields);
    }

    private static byte[] Declare(Random random)
    {
        byte[] table = [.. RawClient.ShortText("x-max-length"), (byte)"SIlstFAxVDdT"[random.Next(12)], .. Noise(random, random.Next(16))];
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
